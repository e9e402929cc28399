# Tests of search
