# Tests of server
