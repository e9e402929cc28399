noinst_LIBRARIES += engine/libbase.a
engine_libbase_a_SOURCES = \
  engine/base/arena.c engine/base/arena.h \
  engine/base/buf.c engine/base/buf.h \
  engine/base/clock.c engine/base/clock.h \
  engine/base/err.c engine/base/err.h \
  engine/base/log.c engine/base/log.h \
  engine/base/rng.c engine/base/rng.h
