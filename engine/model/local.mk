noinst_LIBRARIES += engine/libmodel.a
engine_libmodel_a_SOURCES = \
  engine/model/family.c engine/model/family.h \
  engine/model/family_params.c \
  engine/model/job_shape.c \
  engine/model/job_space.c \
  engine/model/job_spec.c engine/model/job_spec.h engine/model/job_spec_internal.h \
  engine/model/kernel.h engine/model/kernel_onednn.c \
  engine/model/kernel_blas.c engine/model/kernel_blas.h \
  engine/model/model.h \
  engine/model/net.c engine/model/net.h \
  engine/model/net_act.c \
  engine/model/simd.h
