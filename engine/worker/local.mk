# attune-engine
bin_PROGRAMS += engine/worker/attune-engine
engine_worker_attune_engine_SOURCES = \
  engine/worker/main.c \
  engine/worker/dataset_cache.c engine/worker/dataset_cache.h \
  engine/worker/estate.c engine/worker/estate.h \
  engine/worker/prepared.c engine/worker/prepared.h \
  engine/worker/progress.c engine/worker/progress.h \
  engine/worker/runner.c engine/worker/runner.h \
  engine/worker/supervisor.c engine/worker/supervisor.h \
  engine/worker/tail.c engine/worker/tail.h \
  engine/worker/trial_batch.c engine/worker/trial_batch.h \
  engine/worker/trial_main.c engine/worker/trial_main.h \
  engine/worker/watchdog.c engine/worker/watchdog.h \
  engine/worker/work_dir.c engine/worker/work_dir.h \
  engine/worker/worker.c engine/worker/worker.h engine/worker/worker_internal.h \
  engine/worker/worker_alone.c \
  engine/worker/worker_ask.c \
  engine/worker/worker_batch.c \
  engine/worker/worker_finish.c \
  engine/worker/worker_fit.c \
  engine/worker/worker_range.c
engine_worker_attune_engine_LDADD = $(ENGINE_LIBS) sql/libdb.a engine/libbase.a \
  $(ARCHIVE_LIBS) $(PNG_LIBS) $(JPEG_LIBS) $(ENGINE_SYSLIBS) $(SQL_LIBS)
