Gem::Specification.new do |spec|
  spec.name = "numbers"
  spec.version = "1.0.0"
  spec.summary = "Numbers"
  spec.authors = ["Acme"]
  spec.files = ["lib/numbers.rb"]
end
