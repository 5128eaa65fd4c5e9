from coffeeshop.cli import main

main()
