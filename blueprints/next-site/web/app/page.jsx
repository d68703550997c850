import Link from "next/link";

export default function Page() {
  return (
    <main>
      <h1>{process.env.NEXT_PUBLIC_TITLE || "My site"}</h1>
      <p>
        This is app/page.jsx. <Link href="/about">About</Link>
      </p>
    </main>
  );
}
