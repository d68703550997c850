module Words; NAME = "ruby"; end
