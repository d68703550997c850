const title = process.env.NEXT_PUBLIC_TITLE || "My site";

export const metadata = { title };

export default function Layout({ children }) {
  return (
    <html lang="en">
      <body>{children}</body>
    </html>
  );
}
