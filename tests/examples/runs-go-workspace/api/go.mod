module example.com/api

go 1.18

require github.com/pkg/errors v0.9.1
