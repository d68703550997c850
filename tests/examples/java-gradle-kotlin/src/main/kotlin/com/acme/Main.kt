package com.acme

fun main() = println("hi")
