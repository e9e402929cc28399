# Tests of server

# Tests of the API's resources: units over pretended rooms below.
if HAVE_CMOCKA
handler_tests = tests/unit/test_server_text tests/unit/test_image tests/unit/test_image_plain tests/unit/test_image_turn tests/unit/test_model_cache \
  tests/unit/test_dataset_cache
check_PROGRAMS += $(handler_tests)
TESTS += $(handler_tests)
HANDLER_TEST_LIBS = engine/libbase.a $(CMOCKA_LIBS) $(OPENBLAS_LIBS) $(JANSSON_LIBS) -lm -lpthread
tests_unit_test_server_text_SOURCES = tests/unit/test_server_text.c tests/harness/test_support.h \
  server/names.c server/json_view.c server/handler/predict_reply.c engine/data/decision.c engine/model/model_interval.c
tests_unit_test_server_text_LDADD = sql/libdb.a $(HANDLER_TEST_LIBS) $(SODIUM_LIBS) $(PQ_LIBS)
tests_unit_test_image_SOURCES = tests/unit/test_image.c tests/harness/image_fixture.h tests/harness/test_support.h
tests_unit_test_image_LDADD = engine/libdata.a $(HANDLER_TEST_LIBS) $(PNG_LIBS) $(JPEG_LIBS) $(ZLIB_LIBS)
tests_unit_test_image_plain_SOURCES = tests/unit/test_image_plain.c tests/harness/image_fixture.h tests/harness/test_support.h
tests_unit_test_image_plain_LDADD = engine/libdata.a $(HANDLER_TEST_LIBS) $(PNG_LIBS) $(JPEG_LIBS) $(ZLIB_LIBS)
tests_unit_test_image_turn_SOURCES = tests/unit/test_image_turn.c tests/harness/image_fixture.h tests/harness/test_support.h
tests_unit_test_image_turn_LDADD = $(tests_unit_test_image_LDADD)
tests_unit_test_model_cache_SOURCES = tests/unit/test_model_cache.c tests/harness/test_support.h \
  server/metrics_histogram.c server/model_cache.c server/model_cache_find.c server/model_cache_workspace.c server/model_route.c server/names.c
tests_unit_test_model_cache_LDADD = $(HANDLER_TEST_LIBS)
tests_unit_test_dataset_cache_SOURCES = tests/unit/test_dataset_cache.c \
  tests/harness/test_support.h server/dataset_cache.c
tests_unit_test_dataset_cache_LDADD = engine/libdata.a $(HANDLER_TEST_LIBS) $(SODIUM_LIBS) \
  $(PNG_LIBS) $(JPEG_LIBS) $(ZLIB_LIBS)
endif

# Tests of the HTTP core.
if HAVE_CMOCKA
http_tests = tests/unit/test_http_route tests/unit/test_http_auth_memo tests/unit/test_multipart tests/unit/test_webhook tests/unit/test_tenant_limits \
  tests/unit/test_prediction_log tests/unit/test_prediction_ring tests/unit/test_tensor
check_PROGRAMS += $(http_tests)
TESTS += $(http_tests)
tests_unit_test_http_auth_memo_SOURCES = tests/unit/test_http_auth_memo.c
tests_unit_test_http_auth_memo_LDADD = $(server_attuned_LDADD) $(CMOCKA_LIBS)
tests_unit_test_http_route_SOURCES = tests/unit/test_http_route.c
tests_unit_test_http_route_LDADD = $(server_attuned_LDADD) $(CMOCKA_LIBS)
tests_unit_test_tenant_limits_SOURCES = tests/unit/test_tenant_limits.c
tests_unit_test_tenant_limits_LDADD = server/libserver.a engine/libbase.a $(CMOCKA_LIBS) \
  $(JANSSON_LIBS) -lm -lpthread
tests_unit_test_prediction_log_SOURCES = tests/unit/test_prediction_log.c
tests_unit_test_prediction_log_LDADD = $(server_attuned_LDADD) $(CMOCKA_LIBS)
tests_unit_test_prediction_ring_SOURCES = tests/unit/test_prediction_ring.c
tests_unit_test_prediction_ring_LDADD = server/libserver.a $(CMOCKA_LIBS) -lpthread
tests_unit_test_webhook_SOURCES = tests/unit/test_webhook.c
tests_unit_test_webhook_LDADD = $(server_attuned_LDADD) $(CMOCKA_LIBS)
tests_unit_test_tensor_SOURCES = tests/unit/test_tensor.c
tests_unit_test_tensor_LDADD = server/libserver.a engine/libbase.a $(CMOCKA_LIBS) $(JANSSON_LIBS) -lm -lpthread
tests_unit_test_multipart_SOURCES = tests/unit/test_multipart.c
tests_unit_test_multipart_LDADD = server/libserver.a engine/libbase.a $(CMOCKA_LIBS) \
  $(JANSSON_LIBS) -lm
endif
EXTRA_DIST += tests/api/test_http.py tests/api/test_feedback.py tests/api/test_dialects.py tests/api/test_nanonets.py tests/api/test_serving.py
EXTRA_DIST += tests/clients/client_kserve.py tests/clients/client_onnx.py tests/clients/test_onnx.py tests/clients/client_triton.py tests/clients/test_clients.py tests/clients/told.py

# The API from outside (tests/check.sh api), and the documents they run.
EXTRA_DIST += tests/api/common.py tests/api/test_access.py tests/api/test_bad_input.py tests/api/test_batches.py \
  tests/api/test_confusions.py tests/api/test_control.py tests/api/test_datasets.py \
  tests/api/test_documents.py tests/api/test_jobs.py tests/api/test_limits.py tests/api/test_metrics.py tests/api/test_search.py \
  tests/api/test_predict.py tests/api/test_range_tests.py tests/api/test_refit.py tests/api/test_security.py tests/api/test_tenants.py tests/api/test_train.py tests/api/test_zz_end.py \
  tests/api/test_database_away.py tests/api/test_disk_full.py tests/api/test_tls.py \
  tests/api/test_webhooks.py \
  api-docs/examples/tenant.json api-docs/examples/alias.json api-docs/examples/job-full.json \
  api-docs/examples/job-short.json api-docs/examples/key.json \
  api-docs/examples/predict-rows.json api-docs/examples/schema-change.json

# The least that a POST costs, for the serving bench (tests/bench/serve/serve.py).
EXTRA_PROGRAMS += tests/bench/serve/bare
tests_bench_serve_bare_SOURCES = tests/bench/serve/bare.c
tests_bench_serve_bare_CFLAGS = $(AM_CFLAGS) $(MHD_CFLAGS)
tests_bench_serve_bare_LDADD = $(MHD_LIBS) -lpthread
# The scan of numbers against strtod and Jansson: `make tests/bench/serve/json_scan`.
EXTRA_PROGRAMS += tests/bench/serve/json_scan
tests_bench_serve_json_scan_SOURCES = tests/bench/serve/json_scan.c
tests_bench_serve_json_scan_LDADD = engine/libbase.a $(JANSSON_LIBS) -lm -lpthread
EXTRA_DIST += tests/bench/serve/serve.py tests/bench/serve/fastapi_peer.py tests/bench/serve/requirements-fastapi.txt \
  tests/bench/serve/README.md
