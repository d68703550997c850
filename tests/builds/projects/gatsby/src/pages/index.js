import React from "react";

export default function Home() {
  return <h1>Boats leave at noon</h1>;
}
