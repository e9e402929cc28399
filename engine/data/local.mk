noinst_LIBRARIES += engine/libdata.a
engine_libdata_a_SOURCES = \
  engine/data/archive.c engine/data/archive.h \
  engine/data/archive_kind.c engine/data/archive_kind.h \
  engine/data/atds.h \
  engine/data/csv.c engine/data/csv.h \
  engine/data/csv_scan.c engine/data/csv_scan.h \
  engine/data/csv_write.c engine/data/csv_write.h \
  engine/data/csv_sniff.c engine/data/csv_sniff.h \
  engine/data/dataset.c engine/data/dataset.h \
  engine/data/dataset_save.c \
  engine/data/dataset_write.c engine/data/dataset_write.h \
  engine/data/dictionary.c engine/data/dictionary.h \
  engine/data/distinct.c engine/data/distinct.h \
  engine/data/drift.c engine/data/drift.h \
  engine/data/drift_reference.c engine/data/drift_reference.h \
  engine/data/encode.c engine/data/encode.h engine/data/encode_internal.h \
  engine/data/encode_apply.c \
  engine/data/encode_bind.c \
  engine/data/encode_file.c \
  engine/data/encode_fit.c \
  engine/data/encode_words.c \
  engine/data/encode_words_fit.c \
  engine/data/hash.c engine/data/hash.h \
  engine/data/image.c engine/data/image.h engine/data/image_internal.h \
  engine/data/image_census.c engine/data/image_census.h \
  engine/data/image_fit.c \
  engine/data/image_jpeg.c \
  engine/data/image_labels.c engine/data/image_labels.h \
  engine/data/image_png.c engine/data/image_png_plain.c \
  engine/data/image_reduce.c engine/data/image_reduce.h \
  engine/data/image_turn.c \
  engine/data/idx.c engine/data/idx.h \
  engine/data/infer_settle.c engine/data/infer_internal.h \
  engine/data/infer_types.c engine/data/infer_types.h \
  engine/data/ingest.c engine/data/ingest.h \
  engine/data/ingest_archive.c engine/data/ingest_images.h \
  engine/data/ingest_csv.c engine/data/ingest_work.h \
  engine/data/ingest_edit.c \
  engine/data/ingest_header.c engine/data/ingest_header.h \
  engine/data/ingest_idx.c \
  engine/data/ingest_images.c \
  engine/data/decision.c engine/data/decision.h \
  engine/data/issues.c engine/data/issues.h engine/data/issues_internal.h \
  engine/data/issues_columns.c \
  engine/data/issues_rows.c \
  engine/data/issues_target.c \
  engine/data/metric.c engine/data/metric.h \
  engine/data/metric_counts.c engine/data/metric_curve.c engine/data/metric_internal.h \
  engine/data/metric_report.c engine/data/metric_values.c \
  engine/data/ngram.c engine/data/ngram.h \
  engine/data/novelty.c engine/data/novelty.h engine/data/novelty_internal.h \
  engine/data/novelty_file.c \
  engine/data/novelty_fit.c \
  engine/data/png.c engine/data/png.h \
  engine/data/preview.c \
  engine/data/profile.c \
  engine/data/row_batch.c engine/data/row_batch.h engine/data/row_batch_internal.h \
  engine/data/row_stream.c engine/data/row_stream.h \
  engine/data/row_batch_csv.c \
  engine/data/row_batch_json.c \
  engine/data/row_batch_numbers.c engine/data/row_batch_scan.c \
  engine/data/row_batch_spare.c \
  engine/data/row_schema.c engine/data/row_schema.h \
  engine/data/sandbox.c engine/data/sandbox.h \
  engine/data/schema_edit.c engine/data/schema_edit.h \
  engine/data/schema_edit_plan.c \
  engine/data/sparse_ridge.c engine/data/sparse_ridge.h \
  engine/data/split.c engine/data/split.h engine/data/split_internal.h \
  engine/data/split_deal.c \
  engine/data/split_pack.c engine/data/split_pack.h \
  engine/data/split_units.c \
  engine/data/table.c engine/data/table.h \
  engine/data/task.c engine/data/task.h \
  engine/data/task_check.c engine/data/task_check.h \
  engine/data/values.c engine/data/values.h \
  engine/data/values_time.c

pkglibexec_PROGRAMS += engine/data/attune-ingest
engine_data_attune_ingest_SOURCES = engine/data/ingest_main.c
engine_data_attune_ingest_LDADD = engine/libdata.a engine/libbase.a $(JANSSON_LIBS) $(SODIUM_LIBS) \
  $(ARCHIVE_LIBS) $(PNG_LIBS) $(JPEG_LIBS) $(SECCOMP_LIBS) $(ZLIB_LIBS) -lm
