noinst_LIBRARIES += engine/libbase.a
engine_libbase_a_SOURCES = \
  engine/base/arena.c engine/base/arena.h \
  engine/base/buf.c engine/base/buf.h \
  engine/base/clock.c engine/base/clock.h \
  engine/base/err.c engine/base/err.h \
  engine/base/file.c engine/base/file.h \
  engine/base/json.c engine/base/json.h \
  engine/base/json_check.c \
  engine/base/json_lift.c engine/base/json_lift.h \
  engine/base/json_number.c engine/base/json_number.h \
  engine/base/json_faults.c \
  engine/base/json_wide.c \
  engine/base/json_write.c \
  engine/base/la.c engine/base/la.h \
  engine/base/lane.c engine/base/lane.h \
  engine/base/log.c engine/base/log.h \
  engine/base/options.c engine/base/options.h \
  engine/base/options_help.c \
  engine/base/proc.c engine/base/proc.h \
  engine/base/proc_start.c \
  engine/base/rng.c engine/base/rng.h \
  engine/base/sha256.c engine/base/sha256.h \
  engine/base/denormals.h engine/base/simd.h \
  engine/base/space.c engine/base/space.h \
  engine/base/space_count.c \
  engine/base/space_draw.c \
  engine/base/space_internal.h \
  engine/base/space_json.c engine/base/space_json.h \
  engine/base/space_json_internal.h \
  engine/base/space_json_join.c \
  engine/base/space_json_param.c \
  engine/base/space_json_point.c \
  engine/base/space_json_rules.c \
  engine/base/space_json_value.c \
  engine/base/space_prior.c \
  engine/base/space_relation.c engine/base/space_relation.h \
  engine/base/space_repair.c \
  engine/base/space_rules.c \
  engine/base/text.c engine/base/text_number.c engine/base/text.h
engine_libbase_a_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(OPENBLAS_CFLAGS)
