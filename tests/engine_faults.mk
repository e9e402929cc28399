# Allocations and system calls that fail, one after the other.
if HAVE_CMOCKA
ENGINE_FAULT_TESTS = tests/unit/test_no_memory tests/unit/test_faults_base \
  tests/unit/test_faults_model tests/unit/test_faults_data \
  tests/unit/test_faults_tune tests/unit/test_faults_search tests/unit/test_runner \
  tests/unit/test_worker_files
check_PROGRAMS += $(ENGINE_FAULT_TESTS)
TESTS += $(ENGINE_FAULT_TESTS)
ENGINE_CALL_FAILS = tests/harness/call_fails.c tests/harness/call_fails.h
ENGINE_FAULT_HARNESS = tests/harness/no_memory.c tests/harness/no_memory.h \
  tests/harness/scenario.h $(ENGINE_CALL_FAILS)
ENGINE_FAULT_WRAPS = -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc \
  -Wl,--wrap=aligned_alloc,--wrap=posix_memalign,--wrap=strdup,--wrap=json_loadb,--wrap=json_loads \
  $(ENGINE_CALL_WRAPS)
ENGINE_CALL_WRAPS = -Wl,--wrap=read,--wrap=pread,--wrap=write,--wrap=pwrite,--wrap=open,--wrap=mmap,--wrap=fstat \
  -Wl,--wrap=lseek,--wrap=ftruncate,--wrap=fsync,--wrap=fchmod,--wrap=rename,--wrap=memfd_create \
  -Wl,--wrap=mkostemp,--wrap=mkdir,--wrap=pipe2,--wrap=fork,--wrap=close
ENGINE_LIBRARY_WRAPS = -Wl,--wrap=XGDMatrixCreateFromMat,--wrap=XGDMatrixSetFloatInfo \
  -Wl,--wrap=XGBoosterCreate,--wrap=XGBoosterSetParam,--wrap=XGBoosterPredict \
  -Wl,--wrap=XGBoosterBoostOneIter,--wrap=XGBoosterUpdateOneIter,--wrap=XGBoosterEvalOneIter \
  -Wl,--wrap=XGBoosterSlice,--wrap=XGBoosterSaveModelToBuffer \
  -Wl,--wrap=XGBoosterLoadModelFromBuffer,--wrap=compress2
tests_unit_test_no_memory_SOURCES = tests/unit/test_no_memory.c $(ENGINE_FAULT_HARNESS) tests/harness/toy_fit.h
tests_unit_test_no_memory_LDADD = engine/libsearch.a $(MODEL_TEST_LIBS) $(PNG_LIBS) $(JPEG_LIBS)
tests_unit_test_no_memory_LDFLAGS = $(ENGINE_FAULT_WRAPS)
tests_unit_test_faults_search_SOURCES = tests/unit/test_faults_search.c $(ENGINE_FAULT_HARNESS)
tests_unit_test_faults_search_LDADD = engine/libsearch.a $(MODEL_TEST_LIBS)
tests_unit_test_faults_search_LDFLAGS = $(ENGINE_FAULT_WRAPS)
tests_unit_test_faults_data_SOURCES = tests/unit/test_faults_data.c $(ENGINE_FAULT_HARNESS) \
  tests/harness/toy_data.h tests/harness/pack_files.h $(DATA_FIXTURE)
tests_unit_test_faults_data_LDADD = $(DATA_TEST_LIBS) $(ARCHIVE_LIBS) $(PNG_LIBS) $(JPEG_LIBS) \
  $(OPENBLAS_LIBS)
tests_unit_test_faults_data_LDFLAGS = $(ENGINE_FAULT_WRAPS)
tests_unit_test_faults_tune_SOURCES = tests/unit/test_faults_tune.c $(ENGINE_FAULT_HARNESS) \
  tests/harness/library_fails.c tests/harness/toy_data.h
tests_unit_test_faults_tune_LDADD = $(ENGINE_UNIT_LIBS)
tests_unit_test_faults_tune_LDFLAGS = $(ENGINE_FAULT_WRAPS) $(ENGINE_LIBRARY_WRAPS) \
  -Wl,--wrap=clock_monotonic_s,--wrap=bbc_bootstraps
tests_unit_test_runner_SOURCES = tests/unit/test_runner.c $(ENGINE_CALL_FAILS) \
  engine/worker/runner.c engine/worker/progress.c engine/worker/tail.c engine/worker/watchdog.c \
  engine/worker/work_dir.c engine/worker/supervisor.c
tests_unit_test_runner_LDADD = $(ENGINE_UNIT_LIBS)
tests_unit_test_runner_LDFLAGS = $(ENGINE_CALL_WRAPS) -Wl,--wrap=clock_monotonic_s
tests_unit_test_worker_files_SOURCES = tests/unit/test_worker_files.c $(ENGINE_FAULT_HARNESS) \
  tests/harness/toy_data.h engine/worker/dataset_cache.c engine/worker/prepared.c \
  engine/worker/trial_batch.c engine/worker/trial_main.c engine/worker/work_dir.c
tests_unit_test_worker_files_LDADD = $(ENGINE_UNIT_LIBS) $(ARCHIVE_LIBS) $(PNG_LIBS) $(JPEG_LIBS)
tests_unit_test_worker_files_LDFLAGS = $(ENGINE_FAULT_WRAPS) -Wl,--wrap=clock_monotonic_s
tests_unit_test_faults_base_SOURCES = tests/unit/test_faults_base.c $(ENGINE_FAULT_HARNESS)
tests_unit_test_faults_base_LDADD = $(BASE_TEST_LIBS)
tests_unit_test_faults_base_LDFLAGS = $(ENGINE_FAULT_WRAPS)
tests_unit_test_faults_model_SOURCES = tests/unit/test_faults_model.c $(ENGINE_FAULT_HARNESS) \
  tests/harness/library_fails.c tests/harness/toy_fit.h tests/harness/toy_data.h
tests_unit_test_faults_model_LDADD = $(ENGINE_UNIT_LIBS)
tests_unit_test_faults_model_LDFLAGS = $(ENGINE_FAULT_WRAPS) $(ENGINE_LIBRARY_WRAPS)
endif
