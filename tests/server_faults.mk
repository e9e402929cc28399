# Programs whose calls are made to fail, one after the other (tests/harness/faults.h).
SERVER_FAULT_WRAPS = -Wl,--wrap=MHD_add_response_header -Wl,--wrap=MHD_create_response_from_buffer \
  -Wl,--wrap=MHD_create_response_from_callback -Wl,--wrap=MHD_queue_response -Wl,--wrap=PQconnectdbParams \
  -Wl,--wrap=PQputCopyData -Wl,--wrap=PQputCopyEnd -Wl,--wrap=PQsendPrepare -Wl,--wrap=PQsendQuery \
  -Wl,--wrap=PQsendQueryPrepared -Wl,--wrap=aligned_alloc -Wl,--wrap=asprintf -Wl,--wrap=calloc \
  -Wl,--wrap=chmod -Wl,--wrap=chown -Wl,--wrap=curl_easy_init -Wl,--wrap=curl_multi_init \
  -Wl,--wrap=curl_slist_append -Wl,--wrap=curl_url -Wl,--wrap=eventfd -Wl,--wrap=fchmod -Wl,--wrap=fdopen \
  -Wl,--wrap=flock -Wl,--wrap=fopen -Wl,--wrap=fork -Wl,--wrap=fstat -Wl,--wrap=fsync -Wl,--wrap=ftruncate \
  -Wl,--wrap=json_dumps -Wl,--wrap=json_loadb -Wl,--wrap=json_loads -Wl,--wrap=lseek -Wl,--wrap=lstat \
  -Wl,--wrap=malloc -Wl,--wrap=memfd_create -Wl,--wrap=mkdir -Wl,--wrap=mkdtemp -Wl,--wrap=mkostemp \
  -Wl,--wrap=mmap -Wl,--wrap=open -Wl,--wrap=openat -Wl,--wrap=pipe2 -Wl,--wrap=posix_memalign \
  -Wl,--wrap=pread -Wl,--wrap=pthread_create -Wl,--wrap=pwrite -Wl,--wrap=read -Wl,--wrap=realloc \
  -Wl,--wrap=reallocarray -Wl,--wrap=rename -Wl,--wrap=setgroups -Wl,--wrap=setuid -Wl,--wrap=socket \
  -Wl,--wrap=stat -Wl,--wrap=statvfs -Wl,--wrap=strdup -Wl,--wrap=strndup -Wl,--wrap=unlink -Wl,--wrap=write

# attuned, for tests/api/test_faults.py.
check_PROGRAMS += server/attuned-faults
server_attuned_faults_SOURCES = $(server_attuned_SOURCES) tests/harness/faults.c tests/harness/faults.h
server_attuned_faults_CPPFLAGS = $(server_attuned_CPPFLAGS) $(PQ_CFLAGS)
server_attuned_faults_LDADD = $(server_attuned_LDADD)
server_attuned_faults_LDFLAGS = $(SERVER_FAULT_WRAPS)

# What the engine asks of the database, failing at each step.
if HAVE_CMOCKA
check_PROGRAMS += tests/db/test_db_faults
TESTS += tests/db/test_db_faults
tests_db_test_db_faults_SOURCES = tests/db/test_db_faults.c tests/harness/test_work.h tests/harness/faults.c \
  tests/harness/faults.h
tests_db_test_db_faults_CPPFLAGS = $(SQL_TEST_CPPFLAGS) $(MHD_CFLAGS) $(CURL_CFLAGS)
tests_db_test_db_faults_LDADD = $(SQL_TEST_LIBS) $(MHD_LIBS) $(CURL_LIBS)
tests_db_test_db_faults_LDFLAGS = $(SERVER_FAULT_WRAPS)
endif
