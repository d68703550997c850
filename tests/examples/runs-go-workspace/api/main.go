package main

import (
	"example.com/shared"
	"net"
	"os"
)

func main() {
	listener, err := net.Listen("tcp", "0.0.0.0:"+os.Getenv("PORT"))
	if err != nil {
		panic(err)
	}
	for {
		connection, _ := listener.Accept()
		connection.Read(make([]byte, 1024))
		connection.Write([]byte("HTTP/1.0 200 OK\r\n\r\n" + shared.Name()))
		connection.Close()
	}
}
