noinst_LIBRARIES += engine/libtrain.a
engine_libtrain_a_SOURCES =
