defmodule Hello do
  use Application

  def start(_type, _args) do
    port = String.to_integer(System.get_env("PORT"))
    options = [:binary, active: false, reuseaddr: true]
    {:ok, listener} = :gen_tcp.listen(port, options)
    Task.start_link(fn -> serve(listener) end)
  end

  defp serve(listener) do
    {:ok, socket} = :gen_tcp.accept(listener)
    {:ok, _} = :gen_tcp.recv(socket, 0)
    :gen_tcp.send(socket, "HTTP/1.0 200 OK\r\n\r\nelixir")
    :gen_tcp.close(socket)
    serve(listener)
  end
end
