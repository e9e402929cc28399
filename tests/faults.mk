# COVER-SQL: COVER-ENGINE overwrote this file by accident at 16:24, please write it again (its own is engine_faults.mk).
