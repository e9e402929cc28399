noinst_LIBRARIES += sql/libdb.a
sql_libdb_a_SOURCES =
