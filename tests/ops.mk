# The programs of a release to come: these, with one more schema patch. Tests upgrade to them.
EXTRA_DIST += tests/ops/next.sql
check_PROGRAMS += tests/ops/next/attuned tests/ops/next/attune-engine tests/ops/next/attune-dbinit
CLEANFILES += tests/ops/next/patches.c
tests/ops/next/patches.c: $(sql_patches) sql/gen_patches.sh sql/local.mk $(srcdir)/tests/ops/next.sql
	@$(MKDIR_P) tests/ops/next
	$(AM_V_GEN)set -- $(sql_patches); one=$(abs_builddir)/tests/ops/next/`printf %04d $$#`-next.sql; \
	  cp $(srcdir)/tests/ops/next.sql $$one && (cd $(srcdir) && $(SHELL) sql/gen_patches.sh "$$@" $$one) > $@.tmp \
	  && rm -f $$one && mv $@.tmp $@
tests_ops_next_attuned_SOURCES = $(server_attuned_SOURCES)
nodist_tests_ops_next_attuned_SOURCES = tests/ops/next/patches.c
tests_ops_next_attuned_CPPFLAGS = $(server_attuned_CPPFLAGS)
tests_ops_next_attuned_LDADD = $(server_attuned_LDADD)
tests_ops_next_attune_engine_SOURCES = $(engine_worker_attune_engine_SOURCES)
nodist_tests_ops_next_attune_engine_SOURCES = tests/ops/next/patches.c
tests_ops_next_attune_engine_LDADD = $(engine_worker_attune_engine_LDADD)
tests_ops_next_attune_dbinit_SOURCES = $(sql_attune_dbinit_SOURCES)
nodist_tests_ops_next_attune_dbinit_SOURCES = tests/ops/next/patches.c
tests_ops_next_attune_dbinit_LDADD = $(sql_attune_dbinit_LDADD)
