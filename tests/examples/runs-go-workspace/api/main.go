package main

import (
	"net"
	"os"

	"example.com/shared"
	"github.com/pkg/errors"
)

func main() {
	listener, err := net.Listen("tcp", "0.0.0.0:"+os.Getenv("PORT"))
	if err != nil {
		panic(err)
	}
	for {
		connection, _ := listener.Accept()
		connection.Read(make([]byte, 1024))
		said := errors.WithMessage(errors.New(shared.Name()), "wrapped")
		connection.Write([]byte("HTTP/1.0 200 OK\r\n\r\n" + said.Error()))
		connection.Close()
	}
}
