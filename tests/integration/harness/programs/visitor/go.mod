module shop/visitor

go 1.26.0
