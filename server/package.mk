# What `make install` puts beside the programs: the systemd unit and the documents.
systemdsystemunit_DATA = server/attune.service
CLEANFILES += server/attune.service
EXTRA_DIST += server/attune.service.in
server/attune.service: $(srcdir)/server/attune.service.in Makefile
	@$(MKDIR_P) server
	$(AM_V_GEN)sed -e 's|@bindir[@]|$(bindir)|' -e 's|@docdir[@]|$(docdir)|' \
	  $(srcdir)/server/attune.service.in > $@.tmp && mv $@.tmp $@

# distcheck must not write outside its own prefix.
AM_DISTCHECK_CONFIGURE_FLAGS = --with-systemdsystemunitdir='$${prefix}/lib/systemd/system'
dist_doc_DATA += README.md LICENSE
