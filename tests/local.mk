# Each room's tests; `make check` runs TESTS. `./quickstart check` runs everything.
TESTS =
AM_TESTS_ENVIRONMENT = OMP_NUM_THREADS=1; OPENBLAS_NUM_THREADS=1; LC_ALL=C.UTF-8; \
  export OMP_NUM_THREADS OPENBLAS_NUM_THREADS LC_ALL;
# The rooms whose tests take longest come first, so that none runs alone at the end.
include $(top_srcdir)/tests/engine.mk
include $(top_srcdir)/tests/search.mk
include $(top_srcdir)/tests/sql.mk
include $(top_srcdir)/tests/base.mk
include $(top_srcdir)/tests/data.mk
include $(top_srcdir)/tests/model.mk
include $(top_srcdir)/tests/server.mk
include $(top_srcdir)/tests/fuzz.mk
include $(top_srcdir)/tests/engine_faults.mk
include $(top_srcdir)/tests/ops.mk
include $(top_srcdir)/tests/server_faults.mk

# Scripts, data and reference numbers; listed by kind, for the build leaves objects in folders of the same name.
dist-hook:
	cd $(srcdir) && find tests -type f \( -name '*.py' -o -name '*.sh' -o -name '*.csv' -o -name '*.md' \
	  -o -name '*.h' -o -name '*.json' -o -name '*.toml' -o -name '*.txt' \) -print | tar -cf - -T - | (cd $(abs_top_builddir)/$(distdir) && tar -xf -)

.PHONY: lint bench check-fresh check-docker coverage fuzz-targets
lint:
	cd $(srcdir) && tests/lint/all.sh

# Full runs of what an issue must show; not part of check. `make accept-kill`, `make accept-tables` …
accept-%: all tests/harness/make_jpeg
	name=`echo $* | tr - _`; ATTUNE_BUILD=$(abs_top_builddir) $(srcdir)/tests/accept/run.sh $$name

bench: all
	ATTUNE_BUILD=$(abs_top_builddir) $(srcdir)/tests/bench/run.sh

coverage:
	ATTUNE_BUILD=$(abs_top_builddir) $(srcdir)/tests/coverage.sh

check-fresh:
	$(srcdir)/tests/fresh/check_fresh.sh

# The container files' steps, in folders instead of containers.
check-docker:
	/usr/bin/python3 $(srcdir)/tests/docker/replay.py
