noinst_LIBRARIES += engine/libdata.a
engine_libdata_a_SOURCES =
