# Each room's tests; `make check` runs TESTS.
TESTS =
include $(top_srcdir)/tests/base.mk
include $(top_srcdir)/tests/data.mk
include $(top_srcdir)/tests/model.mk
include $(top_srcdir)/tests/search.mk
include $(top_srcdir)/tests/sql.mk
include $(top_srcdir)/tests/engine.mk
include $(top_srcdir)/tests/server.mk
