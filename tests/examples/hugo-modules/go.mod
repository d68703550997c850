module example.org/docs

go 1.21
