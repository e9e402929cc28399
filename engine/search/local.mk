noinst_LIBRARIES += engine/libsearch.a
engine_libsearch_a_SOURCES =
