module Numbers; ONE = 1; end
