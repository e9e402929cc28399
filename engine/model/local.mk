noinst_LIBRARIES += engine/libmodel.a
engine_libmodel_a_SOURCES =
