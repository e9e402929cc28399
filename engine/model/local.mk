noinst_LIBRARIES += engine/libmodel.a
engine_libmodel_a_SOURCES = \
  engine/model/family.c engine/model/family.h \
  engine/model/conv_direct.c engine/model/conv_direct.h engine/model/conv_direct_body.h \
  engine/model/conv_direct_internal.h engine/model/conv_direct_avx2.c engine/model/conv_direct_avx512.c \
  engine/model/lanes_avx2.h engine/model/lanes_avx512.h \
  engine/model/conv_lanes.h engine/model/conv_loops.h engine/model/conv_loops_body.h \
  engine/model/conv_loops_any.c engine/model/conv_loops_avx512.c \
  engine/model/conv_ops.c engine/model/conv_ops.h \
  engine/model/conv_pool.c \
  engine/model/conv_grid.c engine/model/conv_grid.h \
  engine/model/convnet.c engine/model/convnet.h \
  engine/model/convnet_stage.c engine/model/convnet_stage.h \
  engine/model/convnet_infer.c engine/model/convnet_train.c \
  engine/model/convnet_work.c engine/model/convnet_work.h \
  engine/model/family_params_cnn.c \
  engine/model/model_cnn.c engine/model/model_cnn.h \
  engine/model/family_params.c engine/model/family_params.h \
  engine/model/family_params_linear.c engine/model/family_params_mlp.c engine/model/family_params_trees.c \
  engine/model/job_base.c \
  engine/model/job_shape.c \
  engine/model/job_space.c \
  engine/model/job_budget.c engine/model/job_stop.c \
  engine/model/job_space_settle.c \
  engine/model/job_warm.c \
  engine/model/family_cost.c engine/model/family_cost.h \
  engine/model/job_spec.c engine/model/job_spec.h engine/model/job_spec_internal.h \
  engine/model/job_spec_rows.c \
  engine/model/explain.c engine/model/explain.h \
  engine/model/explain_image.c engine/model/explain_image.h \
  engine/model/explain_formula.c engine/model/explain_formula.h \
  engine/model/export_c.c engine/model/export_c.h engine/model/export_c_internal.h \
  engine/model/export_c_parts.c \
  engine/model/export_codec.c engine/model/export_codec.h \
  engine/model/export_json.c engine/model/export_json.h \
  engine/model/export_onnx.c engine/model/export_onnx.h \
  engine/model/export_onnx_body.c engine/model/export_onnx_body.h engine/model/export_onnx_cnn.c \
  engine/model/export_onnx_graph.c engine/model/export_onnx_graph.h \
  engine/model/export_json_internal.h engine/model/export_json_parts.c \
  engine/model/kernel.h engine/model/kernel_onednn.c \
  engine/model/kernel_bf16.c engine/model/kernel_bf16.h \
  engine/model/kernel_blas.c engine/model/kernel_blas.h \
  engine/model/kernel_conv.c engine/model/kernel_conv.h engine/model/kernel_conv_internal.h \
  engine/model/kernel_amx.c engine/model/kernel_amx.h engine/model/kernel_conv_amx.c \
  engine/model/kernel_conv_blas.c engine/model/kernel_conv_onednn.c engine/model/kernel_conv_winograd.c \
  engine/model/kernel_winograd.c engine/model/kernel_winograd.h engine/model/kernel_winograd_body.h \
  engine/model/kernel_winograd_avx2.c engine/model/kernel_winograd_avx512.c \
  engine/model/kernel_dense_bf16.c engine/model/kernel_dense_bf16_internal.h \
  engine/model/kernel_dense_bf16_amx.c engine/model/kernel_dense_bf16_onednn.c \
  engine/model/kernel_row.c engine/model/kernel_row.h \
  engine/model/kernel_dnn.c engine/model/kernel_dnn.h engine/model/kernel_memory.h \
  engine/model/model.c engine/model/model.h engine/model/model_internal.h \
  engine/model/model_build.h \
  engine/model/model_base.c engine/model/model_base.h \
  engine/model/model_file.c engine/model/model_head.c \
  engine/model/model_folds.c engine/model/model_folds.h \
  engine/model/model_interval.c engine/model/model_interval.h \
  engine/model/model_linear.c engine/model/model_linear.h \
  engine/model/model_mlp.c \
  engine/model/model_trees.c \
  engine/model/net.c engine/model/net.h \
  engine/model/net_act.c \
  engine/model/net_embed.c engine/model/net_embed.h \
  engine/model/net_bf16.c engine/model/net_bf16.h \
  engine/model/net_init.c engine/model/net_pass.c \
  engine/model/predict.c \
  engine/model/reader.c engine/model/reader.h \
  engine/model/score_csv.c engine/model/score_csv.h \
  engine/model/score_images.c engine/model/score_images.h \
  engine/model/score_write.c engine/model/score_write.h \
  engine/model/trees.c engine/model/trees.h \
  engine/model/trees_read.c \
  engine/model/trees_shap.c engine/model/trees_shap.h \
  engine/model/trees_walk.c engine/model/trees_walk.h engine/model/trees_walk_shallow.c \
  engine/model/trees_walk_wide.c \
  engine/model/ubj.c engine/model/ubj.h
# What every model exported as C has in common.
export_c_files = engine/model/export_c_main.c.in engine/model/export_c_runtime.c.in
EXTRA_DIST += $(export_c_files) engine/model/embed_text.sh
BUILT_SOURCES += engine/model/export_c_text.c
CLEANFILES += engine/model/export_c_text.c
nodist_engine_libmodel_a_SOURCES = engine/model/export_c_text.c
engine/model/export_c_text.c: $(export_c_files) engine/model/embed_text.sh engine/model/local.mk
	@$(MKDIR_P) engine/model
	$(AM_V_GEN)cd $(srcdir) && $(SHELL) engine/model/embed_text.sh \
	  export_c_main_text=engine/model/export_c_main.c.in export_c_runtime_text=engine/model/export_c_runtime.c.in \
	  > $(abs_builddir)/$@.tmp && mv $(abs_builddir)/$@.tmp $(abs_builddir)/$@
