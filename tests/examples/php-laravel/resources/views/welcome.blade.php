<h1>Hi</h1>
