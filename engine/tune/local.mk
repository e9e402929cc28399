noinst_LIBRARIES += engine/libtune.a
engine_libtune_a_SOURCES =
