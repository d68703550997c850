require "socket"
require "words"
require "numbers"

server = TCPServer.new("0.0.0.0", ENV.fetch("PORT").to_i)
loop do
  client = server.accept
  client.readpartial(1024)
  client.write("HTTP/1.0 200 OK\r\n\r\n#{Words::NAME} #{Numbers::ONE}")
  client.close
end
