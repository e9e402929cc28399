# Tests of sql
