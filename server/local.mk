noinst_LIBRARIES += server/libserver.a
server_libserver_a_SOURCES =

# The resources of the API, the caches they read and the uploads they take.
server_libserver_a_SOURCES += \
  server/dataset_cache.c server/dataset_cache.h \
  server/handler/common.c server/handler/common.h \
  server/handler/dataset_ingest.c server/handler/dataset_ingest.h \
  server/handler/dataset_schema.c \
  server/handler/datasets.c \
  server/handler/families.c \
  server/handler/job_create.c server/handler/job_create.h \
  server/handler/jobs.c \
  server/handler/models.c \
  server/handler/predict.c \
  server/handler/predict_images.c server/handler/predict_images.h \
  server/handler/predict_input.c server/handler/predict_input.h \
  server/handler/predict_reply.c server/handler/predict_reply.h \
  server/handler/train.c \
  server/handler/trials.c \
  server/ingest_job.c server/ingest_job.h \
  server/ingest_queue.c server/ingest_queue.h \
  server/json_view.c server/json_view.h \
  server/model_cache.c server/model_cache.h \
  server/names.c server/names.h
