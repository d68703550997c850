package shared

func Name() string { return "go" }
