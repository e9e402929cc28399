noinst_LIBRARIES += engine/libbase.a
engine_libbase_a_SOURCES =
