Gem::Specification.new do |spec|
  spec.name = "words"
  spec.version = "1.0.0"
  spec.summary = "Words"
  spec.authors = ["Acme"]
  spec.files = ["lib/words.rb"]
end
