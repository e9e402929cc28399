noinst_LIBRARIES += server/libserver.a
server_libserver_a_SOURCES =
