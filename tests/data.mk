# Tests of data
if HAVE_CMOCKA
DATA_TESTS = tests/unit/test_archive tests/unit/test_sandbox tests/unit/test_csv tests/unit/test_data_odd tests/unit/test_dataset tests/unit/test_encode tests/unit/test_encode_categories tests/unit/test_encode_text \
  tests/unit/test_drift tests/unit/test_drift_reference tests/unit/test_infer_types tests/unit/test_ingest tests/unit/test_issues tests/unit/test_metric tests/unit/test_metric_weights \
  tests/unit/test_novelty tests/unit/test_row_batch tests/unit/test_schema_edit tests/unit/test_split \
  tests/unit/test_task tests/unit/test_values
check_PROGRAMS += $(DATA_TESTS)
TESTS += $(DATA_TESTS)
DATA_TEST_LIBS = engine/libdata.a engine/libbase.a $(CMOCKA_LIBS) $(JANSSON_LIBS) $(SODIUM_LIBS) \
  $(ZLIB_LIBS) -lm
DATA_FIXTURE = tests/harness/data_fixture.h tests/harness/test_support.h
tests_unit_test_csv_SOURCES = tests/unit/test_csv.c tests/harness/test_support.h
tests_unit_test_csv_LDADD = $(DATA_TEST_LIBS)
tests_unit_test_data_odd_SOURCES = tests/unit/test_data_odd.c $(DATA_FIXTURE)
tests_unit_test_data_odd_LDADD = $(DATA_TEST_LIBS)
tests_unit_test_dataset_SOURCES = tests/unit/test_dataset.c $(DATA_FIXTURE)
tests_unit_test_dataset_LDADD = $(DATA_TEST_LIBS)
tests_unit_test_drift_reference_SOURCES = tests/unit/test_drift_reference.c
tests_unit_test_drift_reference_LDADD = $(DATA_TEST_LIBS)
tests_unit_test_drift_SOURCES = tests/unit/test_drift.c
tests_unit_test_drift_LDADD = $(DATA_TEST_LIBS)
tests_unit_test_encode_SOURCES = tests/unit/test_encode.c tests/unit/test_encode.h $(DATA_FIXTURE)
tests_unit_test_encode_LDADD = $(DATA_TEST_LIBS)
tests_unit_test_encode_categories_SOURCES = tests/unit/test_encode_categories.c tests/unit/test_encode.h $(DATA_FIXTURE)
tests_unit_test_encode_categories_LDADD = $(DATA_TEST_LIBS)
tests_unit_test_encode_text_SOURCES = tests/unit/test_encode_text.c tests/unit/test_encode.h tests/num/ngram_numbers.h $(DATA_FIXTURE)
tests_unit_test_encode_text_LDADD = $(DATA_TEST_LIBS)
tests_unit_test_infer_types_SOURCES = tests/unit/test_infer_types.c $(DATA_FIXTURE)
tests_unit_test_infer_types_LDADD = $(DATA_TEST_LIBS)
tests_unit_test_ingest_SOURCES = tests/unit/test_ingest.c $(DATA_FIXTURE)
tests_unit_test_ingest_LDADD = $(DATA_TEST_LIBS)
tests_unit_test_issues_SOURCES = tests/unit/test_issues.c $(DATA_FIXTURE)
tests_unit_test_issues_LDADD = $(DATA_TEST_LIBS)
tests_unit_test_metric_SOURCES = tests/unit/test_metric.c tests/num/metrics_numbers.h \
  tests/harness/test_support.h
tests_unit_test_metric_LDADD = $(DATA_TEST_LIBS)
tests_unit_test_metric_weights_SOURCES = tests/unit/test_metric_weights.c \
  tests/num/metrics_numbers.h tests/harness/test_support.h
tests_unit_test_metric_weights_LDADD = $(DATA_TEST_LIBS)
tests_unit_test_novelty_SOURCES = tests/unit/test_novelty.c tests/harness/toy_data.h tests/harness/test_support.h
tests_unit_test_novelty_LDADD = $(DATA_TEST_LIBS)
tests_unit_test_row_batch_SOURCES = tests/unit/test_row_batch.c $(DATA_FIXTURE)
tests_unit_test_row_batch_LDADD = $(DATA_TEST_LIBS)
tests_unit_test_schema_edit_SOURCES = tests/unit/test_schema_edit.c $(DATA_FIXTURE)
tests_unit_test_schema_edit_LDADD = $(DATA_TEST_LIBS)
tests_unit_test_split_SOURCES = tests/unit/test_split.c $(DATA_FIXTURE)
tests_unit_test_split_LDADD = $(DATA_TEST_LIBS)
tests_unit_test_task_SOURCES = tests/unit/test_task.c $(DATA_FIXTURE)
tests_unit_test_task_LDADD = $(DATA_TEST_LIBS)
tests_unit_test_values_SOURCES = tests/unit/test_values.c tests/harness/test_support.h
tests_unit_test_values_LDADD = $(DATA_TEST_LIBS)
tests_unit_test_archive_SOURCES = tests/unit/test_archive.c $(DATA_FIXTURE)
tests_unit_test_archive_LDADD = $(DATA_TEST_LIBS) $(ARCHIVE_LIBS) $(PNG_LIBS) $(JPEG_LIBS)
tests_unit_test_sandbox_SOURCES = tests/unit/test_sandbox.c tests/harness/test_support.h
tests_unit_test_sandbox_LDADD = $(DATA_TEST_LIBS) $(SECCOMP_LIBS)
check_PROGRAMS += tests/harness/make_jpeg tests/unit/try_sandbox
tests_unit_try_sandbox_SOURCES = tests/harness/try_sandbox.c
tests_unit_try_sandbox_LDADD = engine/libdata.a engine/libbase.a $(SECCOMP_LIBS) $(JANSSON_LIBS)
tests_harness_make_jpeg_SOURCES = tests/harness/make_jpeg.c
tests_harness_make_jpeg_LDADD = $(JPEG_LIBS)
endif
EXTRA_DIST += tests/num/gen_metrics.py tests/num/gen_ngrams.py
