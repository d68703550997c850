module example.com/x/v2

go 1.20
