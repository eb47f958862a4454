module shop/pause

go 1.26.0
