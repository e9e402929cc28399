noinst_LIBRARIES += server/libserver.a
server_libserver_a_CPPFLAGS = $(AM_CPPFLAGS) $(MHD_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS) \
  $(CURL_CFLAGS) $(GNUTLS_CFLAGS)
server_libserver_a_SOURCES = \
  server/audit.c server/audit.h \
  server/error.c server/error.h server/error.def \
  server/events.c server/events.h server/events_internal.h \
  server/events_read.c \
  server/events_stream.c \
  server/handler/events.c \
  server/handler/handlers.h \
  server/handler/health.c server/handler/health.h \
  server/handler/audit.c \
  server/handler/keys.c server/handler/key_view.h \
  server/handler/sessions.c \
  server/handler/tenants.c \
  server/handler/usage.c \
  server/handler/web.c \
  server/handler/webhooks.c server/handler/webhooks.h \
  server/http.c server/http.h server/http_internal.h \
  server/http_account.c \
  server/http_auth.c server/http_auth.h \
  server/http_auth_memo.c server/http_auth_memo.h \
  server/http_body.c \
  server/http_daemon.c server/http_daemon.h \
  server/http_gather.c server/http_idempotency.c \
  server/http_identity.c \
  server/http_path.c \
  server/http_reply.c \
  server/http_request.c \
  server/http_route.c \
  server/http_secret.c server/http_secret.h \
  server/http_stream.c \
  server/http_upload.c \
  server/http_wait.c server/http_wait.h \
  server/json_memory.c server/json_memory.h \
  server/limits.c server/limits.h server/limits.def \
  server/listen.c server/listen.h \
  server/metrics.c server/metrics.h \
  server/metrics_histogram.c server/metrics_histogram.h \
  server/multipart.c server/multipart.h \
  server/drift_source.c server/drift_source.h \
  server/drift_tally.c server/drift_tally.h \
  server/prediction_log.c server/prediction_log.h \
  server/prediction_ring.c server/prediction_ring.h \
  server/rate.c server/rate.h \
  server/server.h \
  server/spool.c server/spool.h \
  server/sse.c server/sse.h \
  server/tenant_limits.c server/tenant_limits.h \
  server/tls.c server/tls.h \
  server/usage.c server/usage.h \
  server/writer.c server/writer.h \
  server/web_assets.h \
  server/webhook_address.c server/webhook_address.h \
  server/webhook_send.c server/webhook_send.h

# The pages and the contract, compiled in.
web_files = \
  server/web/api.js \
  server/web/audit.js \
  server/web/compare.js \
  server/web/compare_jobs.js \
  server/web/compare_models.js \
  server/web/compare_parts.js \
  server/web/contour.js \
  server/web/dataset_columns.js \
  server/web/dataset_images.js \
  server/web/dataset_issues.js \
  server/web/datasets.js \
  server/web/dependence.js \
  server/web/docs.js \
  server/web/dom.js \
  server/web/expired.js \
  server/web/explain.js \
  server/web/explain_model.js \
  server/web/explain_trials.js \
  server/web/home.js \
  server/web/icon.svg \
  server/web/job.js \
  server/web/job_charts.js \
  server/web/job_feed.js \
  server/web/job_request.js \
  server/web/job_space.js \
  server/web/jobs.js \
  server/web/keys.js \
  server/web/live.js \
  server/web/main.js \
  server/web/model.js \
  server/web/model_aliases.js server/web/model_confusions.js \
  server/web/model_curves.js \
  server/web/model_drift.js \
  server/web/model_report.js \
  server/web/model_versions.js \
  server/web/models.js \
  server/web/new_job.js \
  server/web/page.html \
  server/web/parallel.js \
  server/web/range_test.js \
  server/web/scale.js \
  server/web/settings.js \
  server/web/snippets.js \
  server/web/space.js \
  server/web/study.js \
  server/web/style.css \
  server/web/trial.js \
  server/web/try.js \
  server/web/try_answer.js \
  server/web/try_image.js \
  server/web/upload.js \
  server/web/usage.js \
  server/web/views.css \
  server/web/virtual.js \
  server/web/webhooks.js
# The documents, in the order /docs lists them.
web_documents = api-docs/guide.md api-docs/pages.md api-docs/datasets.md api-docs/tuning.md api-docs/control.md api-docs/studies.md \
  api-docs/predicting.md api-docs/clients.md api-docs/models.md api-docs/export.md api-docs/keys.md api-docs/webhooks.md \
  api-docs/operations.md api-docs/security.md api-docs/errors.md api-docs/limits.md
# The charts, bundled with what they take from the npm registry, which is asked once for each lock file. A tarball has
# the bundle, so that to build from one needs no registry.
web_bundled = server/web_lib/plot.js server/web_lib/plot.css
web_bundle = server/web/bundle.sh server/web/package.json server/web/package-lock.json \
  server/web/plot.css \
  server/web/plot.js server/web/plot_frame.js server/web/plot_hover.js \
  server/web/plot_layout.js server/web/plot_lines.js server/web/plot_marks.js \
  server/web/plot_save.js server/web/plot_svg.js server/web/plot_table.js
EXTRA_DIST += $(web_files) $(web_documents) $(web_bundle) $(web_bundled) server/web_lib/uplot-license.txt server/web/embed.py server/web/yaml_to_json.py server/docs.py \
  api-docs/openapi.yaml
BUILT_SOURCES += server/web_assets.c
CLEANFILES += server/web_assets.c server/openapi.json
nodist_doc_DATA = server/web_lib/uplot-license.txt
nodist_server_libserver_a_SOURCES = server/web_assets.c
server/web_lib/plot.js: $(web_bundle)
	$(AM_V_GEN)NPM='$(NPM)' $(srcdir)/server/web/bundle.sh $(srcdir)/server/web server/web_lib
server/web_lib/plot.css server/web_lib/uplot-license.txt: server/web_lib/plot.js
clean-local:
	rm -rf server/web_lib/node_modules
	cd server/web_lib 2>/dev/null && rm -f package.json package-lock.json npm.log bundled.js || true
maintainer-clean-local:
	rm -rf server/web_lib
server/openapi.json: api-docs/openapi.yaml server/web/yaml_to_json.py
	@$(MKDIR_P) server
	$(AM_V_GEN)$(PYTHON3) $(srcdir)/server/web/yaml_to_json.py $(srcdir)/api-docs/openapi.yaml > $@.tmp && mv $@.tmp $@
server/web_assets.c: $(web_files) $(web_bundled) $(web_documents) server/openapi.json server/web/embed.py
	@$(MKDIR_P) server
	$(AM_V_GEN)made=$(abs_builddir); test -f server/web_lib/plot.js || made=$(abs_srcdir); \
	  cd $(srcdir) && $(PYTHON3) server/web/embed.py $(abs_builddir)/$@.tmp \
	  server/web/page.html $(web_files) $(web_bundled:%=$$made/%) $(web_documents) \
	  $(abs_builddir)/server/openapi.json && mv $(abs_builddir)/$@.tmp $(abs_builddir)/$@

bin_PROGRAMS += server/attuned
server_attuned_SOURCES = server/main.c \
  server/cluster.c server/cluster.h server/cluster_internal.h \
  server/cluster_make.c \
  server/first_run.c server/first_run.h \
  server/sign_in_link.c server/sign_in_link.h \
  server/own_options.c server/own_options.h \
  server/guardian.c server/guardian.h \
  server/standalone.c server/standalone.h
server_attuned_CPPFLAGS = $(server_libserver_a_CPPFLAGS)
server_attuned_LDADD = server/libserver.a sql/libdb.a engine/libsearch.a engine/libmodel.a \
  engine/libdata.a engine/libbase.a $(MHD_LIBS) $(CURL_LIBS) $(GNUTLS_LIBS) $(PNG_LIBS) $(JPEG_LIBS) \
  $(SQL_LIBS) \
  $(ENGINE_SYSLIBS)

# The resources of the API, the caches they read and the uploads they take.
server_libserver_a_SOURCES += \
  server/dataset_cache.c server/dataset_cache.h \
  server/handler/common.c server/handler/common.h \
  server/handler/dataset_ingest.c server/handler/dataset_ingest.h \
  server/handler/dataset_schema.c \
  server/handler/datasets.c \
  server/handler/families.c \
  server/handler/job_base.c server/handler/job_base.h \
  server/handler/job_create.c server/handler/job_create.h \
  server/handler/job_estimate.c server/handler/job_estimate.h \
  server/handler/job_warm.c server/handler/job_warm.h \
  server/handler/job_control.c \
  server/handler/curves.c \
  server/handler/job_logs.c \
  server/handler/range_tests.c \
  server/handler/job_search.c \
  server/handler/search_ask.c server/handler/search_ask.h \
  server/handler/jobs.c \
  server/handler/aliases.c \
  server/handler/model_find.h server/handler/model_remove.c \
  server/handler/models.c \
  server/handler/export.c server/handler/import.c \
  server/handler/studies.c \
  server/handler/study.h \
  server/handler/study_ask.c \
  server/handler/study_create.c server/handler/study_warm.c \
  server/handler/study_search.c \
  server/handler/study_tell.c \
  server/handler/study_trials.c \
  server/handler/study_view.c \
  server/handler/verify.c \
  server/handler/confusions.c \
  server/handler/dataset_issues.c \
  server/handler/batches.c \
  server/handler/batch_dataset.c server/handler/batch_dataset.h \
  server/handler/batch_view.c server/handler/batch_view.h \
  server/handler/predict.c \
  server/handler/dialect.c server/handler/dialect_numbers.c server/handler/dialect.h \
  server/handler/inference.c server/handler/inference.h \
  server/handler/inference_about.c \
  server/handler/inference_numbers.c server/handler/inference_reply.c \
  server/handler/inference_rows.c \
  server/tensor.c server/tensor.h \
  server/handler/mlflow.c \
  server/handler/nanonets.c server/handler/nanonets.h \
  server/handler/nanonets_make.c \
  server/handler/nanonets_model.c \
  server/handler/nanonets_train.c \
  server/handler/tfserving.c \
  server/handler/drift.c \
  server/handler/drift_view.c server/handler/drift_view.h \
  server/handler/feedback.c \
  server/handler/predict_call.c server/handler/predict_call.h \
  server/handler/predict_log.c server/handler/predict_log.h \
  server/handler/predict_images.c server/handler/predict_images.h \
  server/handler/predict_input.c server/handler/predict_input.h \
  server/handler/job_rows.c server/handler/job_rows.h \
  server/handler/predict_unusual.c server/handler/predict_unusual.h \
  server/handler/predict_threshold.c server/handler/predict_threshold.h \
  server/handler/predict_explain.c server/handler/predict_explain.h \
  server/handler/predict_interval.c server/handler/predict_interval.h \
  server/handler/predict_reply.c server/handler/predict_reply.h \
  server/handler/train.c \
  server/handler/upload_files.c server/handler/upload_files.h \
  server/handler/trials.c \
  server/ingest_internal.h \
  server/ingest_item.c \
  server/ingest_job.c server/ingest_job.h \
  server/ingest_queue.c server/ingest_queue.h \
  server/upload_pack.c server/upload_pack.h \
  server/json_view.c server/json_view.h \
  server/model_route.c server/model_route.h \
  server/shadow.c server/shadow.h \
  server/model_cache.c server/model_cache.h server/model_cache_internal.h \
  server/model_cache_find.c \
  server/model_cache_workspace.c \
  server/search_json.c server/search_json.h \
  server/names.c server/names.h \
  server/study_cache.c server/study_cache.h \
  server/study_live.c server/study_live.h \
  server/study_spec.c server/study_spec.h
