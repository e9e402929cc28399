# Fuzz targets: built with clang by configure --enable-fuzzers, run by `make accept-fuzz` (tests/accept/fuzz.py).
FUZZ_TARGETS = tests/fuzz/fuzz_archive tests/fuzz/fuzz_csv tests/fuzz/fuzz_idx tests/fuzz/fuzz_image tests/fuzz/fuzz_import tests/fuzz/fuzz_json_lift tests/fuzz/fuzz_json_spec \
  tests/fuzz/fuzz_model_file tests/fuzz/fuzz_multipart tests/fuzz/fuzz_path tests/fuzz/fuzz_row_batch tests/fuzz/fuzz_row_scan \
  tests/fuzz/fuzz_tensor
EXTRA_DIST += tests/fuzz/corpus
if FUZZERS
EXTRA_PROGRAMS += $(FUZZ_TARGETS)
FUZZ_DATA_LIBS = engine/libdata.a engine/libbase.a $(JANSSON_LIBS) $(SODIUM_LIBS) $(ZLIB_LIBS) \
  $(PNG_LIBS) $(JPEG_LIBS) $(ARCHIVE_LIBS) $(SECCOMP_LIBS) $(OPENBLAS_LIBS) -lm -lpthread
FUZZ_MODEL_LIBS = engine/libmodel.a $(FUZZ_DATA_LIBS) $(XGBOOST_LIBS) $(ONEDNN_LIBS)
tests_fuzz_fuzz_archive_SOURCES = tests/fuzz/fuzz_archive.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_archive_LDADD = $(FUZZ_DATA_LIBS)
tests_fuzz_fuzz_archive_LDFLAGS = $(FUZZER_FLAGS)
tests_fuzz_fuzz_csv_SOURCES = tests/fuzz/fuzz_csv.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_csv_LDADD = $(FUZZ_DATA_LIBS)
tests_fuzz_fuzz_csv_LDFLAGS = $(FUZZER_FLAGS)
tests_fuzz_fuzz_idx_SOURCES = tests/fuzz/fuzz_idx.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_idx_LDADD = $(FUZZ_DATA_LIBS)
tests_fuzz_fuzz_idx_LDFLAGS = $(FUZZER_FLAGS)
tests_fuzz_fuzz_image_SOURCES = tests/fuzz/fuzz_image.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_image_LDADD = $(FUZZ_DATA_LIBS)
tests_fuzz_fuzz_image_LDFLAGS = $(FUZZER_FLAGS)
tests_fuzz_fuzz_import_SOURCES = tests/fuzz/fuzz_import.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_import_LDADD = $(FUZZ_MODEL_LIBS)
tests_fuzz_fuzz_import_LDFLAGS = $(FUZZER_FLAGS)
tests_fuzz_fuzz_json_lift_SOURCES = tests/fuzz/fuzz_json_lift.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_json_lift_LDADD = $(FUZZ_DATA_LIBS)
tests_fuzz_fuzz_json_lift_LDFLAGS = $(FUZZER_FLAGS)
tests_fuzz_fuzz_json_spec_SOURCES = tests/fuzz/fuzz_json_spec.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_json_spec_LDADD = $(FUZZ_MODEL_LIBS)
tests_fuzz_fuzz_json_spec_LDFLAGS = $(FUZZER_FLAGS)
tests_fuzz_fuzz_model_file_SOURCES = tests/fuzz/fuzz_model_file.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_model_file_LDADD = $(FUZZ_MODEL_LIBS)
tests_fuzz_fuzz_model_file_LDFLAGS = $(FUZZER_FLAGS)
tests_fuzz_fuzz_multipart_SOURCES = tests/fuzz/fuzz_multipart.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_multipart_LDADD = $(server_attuned_LDADD)
tests_fuzz_fuzz_multipart_LDFLAGS = $(FUZZER_FLAGS)
tests_fuzz_fuzz_path_SOURCES = tests/fuzz/fuzz_path.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_path_LDADD = $(server_attuned_LDADD)
tests_fuzz_fuzz_path_LDFLAGS = $(FUZZER_FLAGS)
tests_fuzz_fuzz_row_batch_SOURCES = tests/fuzz/fuzz_row_batch.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_row_batch_LDADD = $(FUZZ_DATA_LIBS)
tests_fuzz_fuzz_row_batch_LDFLAGS = $(FUZZER_FLAGS)
tests_fuzz_fuzz_row_scan_SOURCES = tests/fuzz/fuzz_row_scan.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_row_scan_LDADD = $(FUZZ_DATA_LIBS)
tests_fuzz_fuzz_row_scan_LDFLAGS = $(FUZZER_FLAGS)
tests_fuzz_fuzz_tensor_SOURCES = tests/fuzz/fuzz_tensor.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_tensor_LDADD = $(server_attuned_LDADD)
tests_fuzz_fuzz_tensor_LDFLAGS = $(FUZZER_FLAGS)
fuzz-targets: $(FUZZ_TARGETS)
endif
