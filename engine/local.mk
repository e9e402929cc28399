# The rooms below the programs, lowest first.
include $(top_srcdir)/engine/base/local.mk
include $(top_srcdir)/engine/data/local.mk
include $(top_srcdir)/engine/model/local.mk
include $(top_srcdir)/engine/search/local.mk
include $(top_srcdir)/engine/train/local.mk
include $(top_srcdir)/engine/tune/local.mk
include $(top_srcdir)/engine/worker/local.mk

# What a program links, in the order the linker wants it.
ENGINE_LIBS = engine/libtune.a engine/libtrain.a engine/libsearch.a engine/libmodel.a \
  engine/libdata.a engine/libbase.a
ENGINE_SYSLIBS = $(XGBOOST_LIBS) $(ONEDNN_LIBS) $(OPENBLAS_LIBS) $(JANSSON_LIBS) $(SODIUM_LIBS) \
  $(ZLIB_LIBS) -lm -lpthread
