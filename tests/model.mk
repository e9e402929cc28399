# Tests of model and train
MODEL_TEST_LIBS = engine/libtrain.a engine/libmodel.a engine/libdata.a engine/libbase.a \
  $(CMOCKA_LIBS) $(ENGINE_SYSLIBS)

noinst_PROGRAMS += tests/bench/train_fit
tests_bench_train_fit_SOURCES = tests/bench/train_fit.c
tests_bench_train_fit_LDADD = $(MODEL_TEST_LIBS)

# What fits take beside what their cost estimates say: `make tests/bench/cost_model`.
EXTRA_PROGRAMS += tests/bench/cost_model
tests_bench_cost_model_SOURCES = tests/bench/cost_model.c
tests_bench_cost_model_LDADD = $(MODEL_TEST_LIBS)

# One fit on a table with text: `make tests/bench/train/text_fit`, then tests/bench/train/text.py.
EXTRA_PROGRAMS += tests/bench/train/text_fit
tests_bench_train_text_fit_SOURCES = tests/bench/train/text_fit.c tests/harness/data_fixture.h tests/harness/test_support.h
tests_bench_train_text_fit_LDADD = $(MODEL_TEST_LIBS)

# How well scores at a rung rank networks: `make tests/bench/rung_rank`.
EXTRA_PROGRAMS += tests/bench/rung_rank
tests_bench_rung_rank_SOURCES = tests/bench/rung_rank.c
tests_bench_rung_rank_LDADD = engine/libsearch.a $(MODEL_TEST_LIBS)

# What the convolution and matrix kernels reach here: `make tests/bench/kernel_conv`.
EXTRA_PROGRAMS += tests/bench/kernel_conv
tests_bench_kernel_conv_SOURCES = tests/bench/kernel_conv.c
tests_bench_kernel_conv_LDADD = $(MODEL_TEST_LIBS)

# Fits on a table: `make tests/bench/train/table_fit`, then tests/bench/train/defaults.py.
EXTRA_PROGRAMS += tests/bench/train/table_fit
tests_bench_train_table_fit_SOURCES = tests/bench/train/table_fit.c tests/harness/data_fixture.h tests/harness/test_support.h
tests_bench_train_table_fit_LDADD = $(MODEL_TEST_LIBS)

# Training steps for the bench against PyTorch (tests/bench/train/README.md).
EXTRA_PROGRAMS += tests/bench/train/train_speed
tests_bench_train_train_speed_SOURCES = tests/bench/train/train_speed.c
tests_bench_train_train_speed_LDADD = $(MODEL_TEST_LIBS)

EXTRA_DIST += tests/num/gen_net.py tests/num/gen_shap.py tests/data/model-v1.bin tests/data/model-v1.json

if HAVE_CMOCKA
model_tests = tests/unit/test_export_c tests/unit/test_export_json tests/num/test_convnet_gradient tests/num/test_net_golden tests/num/test_net_gradient tests/num/test_net_parts tests/unit/test_family tests/unit/test_job_cost tests/unit/test_job_space tests/unit/test_job_spec tests/unit/test_job_stop \
  tests/unit/test_conv_direct tests/unit/test_conv_loops tests/unit/test_kernel_conv tests/unit/test_kernel_dense tests/unit/test_kernel_row tests/unit/test_predict_rows \
  tests/unit/test_model_file tests/unit/test_score_csv tests/unit/test_score_images tests/unit/test_explain tests/unit/test_trees_shap tests/unit/test_model_calibrated tests/unit/test_model_versions tests/unit/test_train tests/unit/test_train_base tests/unit/test_train_cnn tests/unit/test_fit_head tests/unit/test_range_test tests/unit/test_train_parts tests/unit/test_train_text tests/unit/test_train_rungs \
  tests/unit/test_train_weights tests/unit/test_trees
check_PROGRAMS += $(model_tests)
TESTS += $(model_tests)
toy_sources = tests/harness/toy_data.h tests/harness/toy_fit.h tests/harness/test_support.h
tests_num_test_convnet_gradient_SOURCES = tests/num/test_convnet_gradient.c tests/harness/test_support.h
tests_num_test_convnet_gradient_LDADD = $(MODEL_TEST_LIBS)
tests_unit_test_score_images_SOURCES = tests/unit/test_score_images.c $(toy_sources)
tests_unit_test_score_images_LDADD = $(MODEL_TEST_LIBS) $(ARCHIVE_LIBS) $(PNG_LIBS) $(JPEG_LIBS)
tests_unit_test_score_csv_SOURCES = tests/unit/test_score_csv.c $(toy_sources)
tests_unit_test_score_csv_LDADD = $(MODEL_TEST_LIBS)
tests_unit_test_range_test_SOURCES = tests/unit/test_range_test.c $(toy_sources)
tests_unit_test_range_test_LDADD = $(MODEL_TEST_LIBS)
tests_unit_test_train_base_SOURCES = tests/unit/test_train_base.c $(toy_sources)
tests_unit_test_train_base_LDADD = $(MODEL_TEST_LIBS)
tests_unit_test_fit_head_SOURCES = tests/unit/test_fit_head.c tests/harness/test_support.h
tests_unit_test_fit_head_LDADD = $(MODEL_TEST_LIBS)
tests_unit_test_train_cnn_SOURCES = tests/unit/test_train_cnn.c $(toy_sources)
tests_unit_test_train_cnn_LDADD = $(MODEL_TEST_LIBS)
tests_num_test_net_golden_SOURCES = tests/num/test_net_golden.c tests/num/net_numbers.h \
  tests/harness/test_support.h
tests_num_test_net_golden_LDADD = $(MODEL_TEST_LIBS)
tests_num_test_net_gradient_SOURCES = tests/num/test_net_gradient.c tests/harness/test_support.h
tests_num_test_net_gradient_LDADD = $(MODEL_TEST_LIBS)
tests_num_test_net_parts_SOURCES = tests/num/test_net_parts.c tests/harness/test_support.h
tests_num_test_net_parts_LDADD = $(MODEL_TEST_LIBS)
tests_unit_test_job_cost_SOURCES = tests/unit/test_job_cost.c tests/harness/job_reading.h tests/harness/test_support.h
tests_unit_test_job_cost_LDADD = $(MODEL_TEST_LIBS)
tests_unit_test_family_SOURCES = tests/unit/test_family.c tests/harness/test_support.h
tests_unit_test_family_LDADD = $(MODEL_TEST_LIBS)
tests_unit_test_job_stop_SOURCES = tests/unit/test_job_stop.c tests/harness/job_reading.h tests/harness/test_support.h
tests_unit_test_job_stop_LDADD = $(MODEL_TEST_LIBS)
tests_unit_test_job_space_SOURCES = tests/unit/test_job_space.c tests/harness/job_reading.h tests/harness/test_support.h
tests_unit_test_job_space_LDADD = $(MODEL_TEST_LIBS)
tests_unit_test_job_spec_SOURCES = tests/unit/test_job_spec.c tests/harness/job_reading.h tests/harness/test_support.h
tests_unit_test_job_spec_LDADD = $(MODEL_TEST_LIBS)
tests_unit_test_conv_direct_SOURCES = tests/unit/test_conv_direct.c tests/harness/test_support.h
tests_unit_test_conv_direct_LDADD = $(MODEL_TEST_LIBS)
tests_unit_test_conv_loops_SOURCES = tests/unit/test_conv_loops.c tests/harness/test_support.h
tests_unit_test_conv_loops_LDADD = $(MODEL_TEST_LIBS)
tests_unit_test_kernel_conv_SOURCES = tests/unit/test_kernel_conv.c tests/harness/test_support.h
tests_unit_test_kernel_conv_LDADD = $(MODEL_TEST_LIBS)
tests_unit_test_kernel_dense_SOURCES = tests/unit/test_kernel_dense.c tests/harness/test_support.h
tests_unit_test_kernel_dense_LDADD = $(MODEL_TEST_LIBS)
tests_unit_test_export_c_SOURCES = tests/unit/test_export_c.c $(toy_sources)
tests_unit_test_export_c_LDADD = $(MODEL_TEST_LIBS)
tests_unit_test_predict_rows_SOURCES = tests/unit/test_predict_rows.c $(toy_sources)
tests_unit_test_predict_rows_LDADD = $(MODEL_TEST_LIBS)
tests_unit_test_kernel_row_SOURCES = tests/unit/test_kernel_row.c tests/harness/test_support.h
tests_unit_test_kernel_row_LDADD = $(MODEL_TEST_LIBS)
tests_unit_test_export_json_SOURCES = tests/unit/test_export_json.c $(toy_sources)
tests_unit_test_export_json_LDADD = $(MODEL_TEST_LIBS)
tests_unit_test_model_file_SOURCES = tests/unit/test_model_file.c $(toy_sources)
tests_unit_test_model_file_LDADD = $(MODEL_TEST_LIBS)
tests_unit_test_explain_SOURCES = tests/unit/test_explain.c $(toy_sources)
tests_unit_test_explain_LDADD = $(MODEL_TEST_LIBS)
tests_unit_test_trees_shap_SOURCES = tests/unit/test_trees_shap.c tests/num/shap_numbers.h $(toy_sources)
tests_unit_test_trees_shap_LDADD = $(MODEL_TEST_LIBS)
tests_unit_test_model_calibrated_SOURCES = tests/unit/test_model_calibrated.c $(toy_sources)
tests_unit_test_model_calibrated_LDADD = $(MODEL_TEST_LIBS)
tests_unit_test_model_versions_SOURCES = tests/unit/test_model_versions.c $(toy_sources)
tests_unit_test_model_versions_CPPFLAGS = $(AM_CPPFLAGS) '-DTEST_DATA="$(abs_srcdir)/tests/data"'
tests_unit_test_model_versions_LDADD = $(MODEL_TEST_LIBS)
tests_unit_test_train_SOURCES = tests/unit/test_train.c $(toy_sources)
tests_unit_test_train_LDADD = $(MODEL_TEST_LIBS)
tests_unit_test_train_text_SOURCES = tests/unit/test_train_text.c tests/harness/data_fixture.h tests/harness/test_support.h
tests_unit_test_train_text_LDADD = $(MODEL_TEST_LIBS)
tests_unit_test_train_parts_SOURCES = tests/unit/test_train_parts.c tests/harness/test_support.h
tests_unit_test_train_parts_LDADD = $(MODEL_TEST_LIBS)
tests_unit_test_train_rungs_SOURCES = tests/unit/test_train_rungs.c $(toy_sources)
tests_unit_test_train_rungs_LDADD = $(MODEL_TEST_LIBS)
tests_unit_test_train_weights_SOURCES = tests/unit/test_train_weights.c $(toy_sources)
tests_unit_test_train_weights_LDADD = $(MODEL_TEST_LIBS)
tests_unit_test_trees_SOURCES = tests/unit/test_trees.c tests/harness/test_support.h
tests_unit_test_trees_LDADD = $(MODEL_TEST_LIBS)
endif

# Answers from trees beside XGBoost's: `make tests/bench/serve/trees`, then tests/bench/serve/trees_peers.py.
EXTRA_PROGRAMS += tests/bench/serve/trees
tests_bench_serve_trees_SOURCES = tests/bench/serve/trees.c
tests_bench_serve_trees_LDADD = $(MODEL_TEST_LIBS)

# Contributions of features to trees' answers, beside XGBoost's: `make tests/bench/serve/shap`.
EXTRA_PROGRAMS += tests/bench/serve/shap
tests_bench_serve_shap_SOURCES = tests/bench/serve/shap.c
tests_bench_serve_shap_LDADD = $(MODEL_TEST_LIBS)

# Networks on one row: `make tests/bench/serve/nets`.
EXTRA_PROGRAMS += tests/bench/serve/nets
tests_bench_serve_nets_SOURCES = tests/bench/serve/nets.c
tests_bench_serve_nets_LDADD = $(MODEL_TEST_LIBS)
