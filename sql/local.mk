noinst_LIBRARIES += sql/libdb.a
sql_libdb_a_CPPFLAGS = $(AM_CPPFLAGS) $(PQ_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS)
sql_libdb_a_SOURCES = \
  sql/db.h \
  sql/db_audit.c sql/db_audit.h \
  sql/db_batch.c sql/db_batch.h \
  sql/db_batch_work.c \
  sql/db_blob.c \
  sql/db_confusion.c sql/db_confusion.h \
  sql/db_conn.c sql/db_conn.h \
  sql/db_dataset.c sql/db_dataset.h \
  sql/db_draft.c sql/db_draft.h \
  sql/db_event.c \
  sql/db_exec.c sql/db_exec.h \
  sql/db_folds.c sql/db_folds.h \
  sql/db_forget.c \
  sql/db_id.c \
  sql/db_io.c sql/db_io.h \
  sql/db_idempotency.c \
  sql/db_ingest.c \
  sql/db_insight.c sql/db_insight.h \
  sql/db_job.c sql/db_job.h \
  sql/db_job_control.c \
  sql/db_curve.c sql/db_curve.h \
  sql/db_job_log.c sql/db_job_log.h \
  sql/db_key.c sql/db_key.h \
  sql/db_alias.c sql/db_alias.h \
  sql/db_model.c sql/db_model.h \
  sql/db_notify.c \
  sql/db_param.c \
  sql/db_patch.c sql/db_patch.h \
  sql/db_pool.c \
  sql/db_prediction.c sql/db_prediction.h \
  sql/db_drift.c sql/db_drift.h \
  sql/db_range.c sql/db_range.h \
  sql/db_range_finish.c \
  sql/db_range_work.c \
  sql/db_session.c \
  sql/db_study.c sql/db_study.h \
  sql/db_study_trial.c \
  sql/db_stored.h \
  sql/db_tenant.c sql/db_tenant.h \
  sql/db_trial.c \
  sql/db_tx.c \
  sql/db_usage.c sql/db_usage.h \
  sql/db_value.c sql/db_value.h \
  sql/db_webhook.c sql/db_webhook.h \
  sql/db_work.h sql/db_work_internal.h \
  sql/db_work_alone.c \
  sql/db_work_ask.c \
  sql/db_work_claim.c \
  sql/db_work_end.c \
  sql/db_work_job.c \
  sql/db_work_model.c \
  sql/db_work_presence.c \
  sql/db_work_result.c \
  sql/db_work_rung.c \
  sql/job.c sql/job.h

# What programs that use libdb.a link after it.
SQL_LIBS = $(PQ_LIBS) $(JANSSON_LIBS) $(SODIUM_LIBS) -lpthread -lm

# The schema patches, in order; a merged one is never edited.
sql_patches = \
  sql/schema/0000-versioning.sql \
  sql/schema/0001-tenants.sql \
  sql/schema/0002-datasets.sql \
  sql/schema/0003-jobs.sql \
  sql/schema/0004-models.sql \
  sql/schema/0005-work.sql \
  sql/schema/0006-control.sql \
  sql/schema/0007-admin.sql \
  sql/schema/0008-webhooks.sql \
  sql/schema/0009-studies.sql \
  sql/schema/0010-study-deletion.sql \
  sql/schema/0011-rungs.sql \
  sql/schema/0012-costs.sql \
  sql/schema/0013-range-tests.sql \
  sql/schema/0014-range-beliefs.sql \
  sql/schema/0015-batches.sql \
  sql/schema/0016-aliases.sql \
  sql/schema/0017-image-drafts.sql \
  sql/schema/0018-predictions.sql
EXTRA_DIST += $(sql_patches) sql/gen_patches.sh
BUILT_SOURCES += sql/patches.c
CLEANFILES += sql/patches.c
nodist_sql_libdb_a_SOURCES = sql/patches.c
sql/patches.c: $(sql_patches) sql/gen_patches.sh sql/local.mk
	@$(MKDIR_P) sql
	$(AM_V_GEN)cd $(srcdir) && $(SHELL) sql/gen_patches.sh $(sql_patches) \
	  > $(abs_builddir)/$@.tmp && mv $(abs_builddir)/$@.tmp $(abs_builddir)/$@

bin_PROGRAMS += sql/attune-dbinit
sql_attune_dbinit_SOURCES = sql/dbinit.c
sql_attune_dbinit_LDADD = sql/libdb.a engine/libbase.a $(SQL_LIBS)
