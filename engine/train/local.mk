noinst_LIBRARIES += engine/libtrain.a
engine_libtrain_a_SOURCES = \
  engine/train/fit.h \
  engine/train/fit_labels.c \
  engine/train/fit_linear.c \
  engine/train/augment.c engine/train/augment.h \
  engine/train/fit_cnn.c \
  engine/train/fit_head.c engine/train/fit_head.h \
  engine/train/fit_net.c engine/train/fit_net.h \
  engine/train/fit_net_checkpoint.c engine/train/fit_net_step.c \
  engine/train/fit_mlp.c \
  engine/train/fit_ridge.c engine/train/fit_ridge.h \
  engine/train/fit_trees.c \
  engine/train/loss.c engine/train/loss.h \
  engine/train/optim.c engine/train/optim.h \
  engine/train/owlqn.c engine/train/owlqn.h \
  engine/train/pace.c engine/train/pace.h \
  engine/train/range_run.c engine/train/range_run.h \
  engine/train/range_test.c engine/train/range_test.h \
  engine/train/schedule.c engine/train/schedule.h \
  engine/train/stop.c engine/train/stop.h \
  engine/train/train.c engine/train/train.h
