module example.com/api

go 1.22.0

toolchain go1.22.3

require github.com/gin-gonic/gin v1.10.0
